#!/usr/bin/perl
# Mail::DKIM, asked again and again.
#
# Each line of the input is a JSON object: what to `do`, the `path` of a message,
# and more:
#
#   verify  zone: the TXT text by name, or null where the DNS does not answer;
#           names that lack do not exist
#   seal    domain, selector, key (a PEM file)
#   sign    the same, and forms, such as relaxed/simple
#
# Each is answered by a line: a JSON object with what is said about the message,
# or with the fields to be put on top of it.
use strict;
use warnings;

use JSON::PP;
use Mail::DKIM::ARC::Signer;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::DNS;
use Mail::DKIM::PrivateKey;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;
use Net::DNS::RR;

my %task = ( verify => \&verify, seal => \&seal, sign => \&sign );
my $json = JSON::PP->new->canonical->latin1;
my $zone;

{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = \&answer;
}

$| = 1;
while ( my $line = <STDIN> ) {
    my $asked = decode_json($line);
    my $said = eval { $task{ $asked->{do} }->($asked) } || { error => "$@" };
    print $json->encode($said), "\n";
}

sub verify {
    my ($asked) = @_;
    $zone = $asked->{zone};
    my $arc  = given( Mail::DKIM::ARC::Verifier->new, $asked );
    my $dkim = given( Mail::DKIM::Verifier->new,      $asked );
    return {
        arc    => $arc->result,
        detail => $arc->result_detail,
        dkim   => [
            map {
                {
                    domain   => $_->domain,
                    selector => $_->selector,
                    result   => $_->result,
                    detail   => $_->result_detail,
                }
            } $dkim->signatures
        ],
    };
}

# The status is taken from the Authentication-Results on top of the message.
sub seal {
    my ($asked) = @_;
    my $signer = Mail::DKIM::ARC::Signer->new(
        Chain => 'ar',
        SrvId => $asked->{domain},
        identity($asked),
    );
    given( $signer, $asked );
    die $signer->{details} if $signer->result ne 'sealed';
    return { fields => join '', map { "$_\015\012" } $signer->as_strings };
}

sub sign {
    my ($asked) = @_;
    my $signer =
      Mail::DKIM::Signer->new( Method => $asked->{forms}, identity($asked) );
    given( $signer, $asked );
    return { fields => $signer->signature->as_string . "\015\012" };
}

sub identity {
    my ($asked) = @_;
    return (
        Algorithm => 'rsa-sha256',
        Domain    => $asked->{domain},
        Selector  => $asked->{selector},
        Key       => Mail::DKIM::PrivateKey->load(
            Data => join '',
            grep { !/^-/ } split /\n/, $asked->{key}
        ),
    );
}

sub given {
    my ( $reader, $asked ) = @_;
    open my $file, '<:raw', $asked->{path} or die "$asked->{path}: $!\n";
    local $/;
    $reader->PRINT( scalar <$file> );
    $reader->CLOSE;
    return $reader;
}

sub answer {
    my ( $name, $type ) = @_;
    $name = lc $name;
    $name =~ s/\.$//;
    if ( !exists $zone->{$name} ) {
        $@ = 'NXDOMAIN';
        return;
    }
    die "DNS error: SERVFAIL\n" if !defined $zone->{$name};
    return Net::DNS::RR->new(
        owner   => $name,
        type    => 'TXT',
        txtdata => [ $zone->{$name} =~ /(.{1,255})/gs ],
    );
}
