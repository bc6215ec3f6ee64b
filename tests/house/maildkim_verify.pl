#!/usr/bin/perl
# What Mail::DKIM says about a message: the ARC chain and each DKIM signature.
#
#   maildkim_verify.pl ZONE.json < MESSAGE
#
# The zone is an object: the TXT text by name, or null where the DNS does not
# answer; names that lack do not exist.  Prints one JSON object.
use strict;
use warnings;

use JSON::PP;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS::RR;

my $zone = decode_json( slurp( $ARGV[0] ) );

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

{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = \&answer;
}

binmode STDIN;
my $message = do { local $/; <STDIN> };

my $arc = verified( Mail::DKIM::ARC::Verifier->new, $message );
my $dkim = verified( Mail::DKIM::Verifier->new, $message );

print JSON::PP->new->canonical->encode(
    {
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
    }
), "\n";

sub verified {
    my ( $verifier, $octets ) = @_;
    $verifier->PRINT($octets);
    $verifier->CLOSE;
    return $verifier;
}

sub slurp {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar <$file>;
}
